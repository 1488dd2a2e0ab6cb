import type { PushCondition } from '../account-data/push-rules/push-rule.js';
import { wholeGlob, wordGlob, wordLiteral } from './glob.js';
import { parsePropertyPath, propertyAt } from './property-path.js';
import type { PushLook } from './push-look.js';

export type PushMatcher = (look: PushLook) => boolean;

const never: PushMatcher = () => false;
const COUNT = /^(==|<=|>=|<|>)?(\d{1,15})$/;

/** What a condition of a push rule (client-api "conditions") asks. Unknown kinds and malformed conditions never match. */
export function compileCondition(condition: PushCondition): PushMatcher {
  const { kind, key, pattern, value } = condition;
  switch (kind) {
    case 'event_match':
      return typeof key === 'string' && typeof pattern === 'string' ? eventMatch(key, pattern) : never;
    case 'event_property_is': {
      if (typeof key !== 'string' || !isScalar(value)) return never;
      const path = parsePropertyPath(key);
      return ({ event }) => propertyAt(event, path) === value;
    }
    case 'event_property_contains': {
      if (typeof key !== 'string' || !isScalar(value)) return never;
      const path = parsePropertyPath(key);
      return ({ event }) => {
        const list = propertyAt(event, path);
        return Array.isArray(list) && list.includes(value);
      };
    }
    case 'contains_display_name':
      return containsDisplayName;
    case 'room_member_count':
      return typeof condition['is'] === 'string' ? memberCount(condition['is']) : never;
    case 'sender_notification_permission':
      return typeof key === 'string' ? ({ context }) => context.senderPower >= context.notificationPower(key) : never;
    default:
      return never;
  }
}

/** Matches a property by a glob: `content.body` by words, others as a whole. */
export function eventMatch(key: string, pattern: string): PushMatcher {
  const path = parsePropertyPath(key);
  if (key !== 'content.body' && !/[*?]/.test(pattern)) {
    const wanted = pattern.toLowerCase();
    return ({ event }) => {
      const value = propertyAt(event, path);
      return typeof value === 'string' && value.toLowerCase() === wanted;
    };
  }
  const matches = key === 'content.body' ? wordGlob(pattern) : wholeGlob(pattern);
  return (look) => {
    const text = look.text(path);
    return text !== undefined && matches(text, look.budget);
  };
}

function containsDisplayName(look: PushLook): boolean {
  const { displayName } = look.context;
  const body = look.text(['content', 'body']);
  return body !== undefined && displayName !== undefined && displayName !== '' && wordLiteral(displayName)(body, look.budget);
}

function memberCount(is: string): PushMatcher {
  const match = COUNT.exec(is);
  if (!match) return never;
  const count = Number(match[2]);
  switch (match[1]) {
    case '<': return ({ context }) => context.memberCount < count;
    case '>': return ({ context }) => context.memberCount > count;
    case '<=': return ({ context }) => context.memberCount <= count;
    case '>=': return ({ context }) => context.memberCount >= count;
    default: return ({ context }) => context.memberCount === count;
  }
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value);
}
