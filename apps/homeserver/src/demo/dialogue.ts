const lines: readonly (readonly [alice: string, bob: string])[] = [
  ['Did you hear the party line is back?', 'The one where the whole street shared one phone?'],
  ['That one. Only now nobody listens in.', 'My grandmother will be disappointed.'],
  ['I packed the lantern and two blankets.', 'I have the soup. It is mostly potatoes.'],
  ['Potatoes are a whole food group.', 'They are at least three food groups.'],
  ['Meet at the boathouse or at the bridge?', 'Boathouse. The bridge has opinions about my bicycle.'],
  ['What if it rains?', 'Then we will be the two wet people with the soup.'],
  ['The owl is sitting on the fence again.', 'Tell it I said good evening.'],
  ['It blinked. I take that as a yes.', 'That owl owes me a scarf.'],
  ['I am learning the accordion.', 'I know. Everybody in a mile knows.'],
  ['Only the left half so far.', 'Let us keep the right half for winter.'],
  ['Remind me to return your ladder.', 'You have said that since the spring before last.'],
  ['It is a very good ladder.', 'Keep it. I have got used to being short.'],
  ['The bakery saved us the last loaf.', 'Then the evening is saved as well.'],
  ['Are you bringing the map?', 'I am bringing the dog. The dog is the map.'],
  ['See the lights across the water?', 'I count seven. Yesterday there were six.'],
  ['One of them is moving.', 'That is me, waving.'],
];

/**
 * What somebody says next; it starts anew when all is said.
 *
 * @param turn counts from 0
 */
export function lineOf(who: 'alice' | 'bob', turn: number): string {
  return lines[turn % lines.length]![who === 'alice' ? 0 : 1];
}
