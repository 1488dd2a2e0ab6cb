/**
 * The page's element of an id.
 *
 * @throws when the page has none of this kind, which is a fault of the page
 */
export function element<T extends Element>(id: string, kind: abstract new (...args: never[]) => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}
