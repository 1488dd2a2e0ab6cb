/** An answer that is JSON text already: a controller returns it, and it goes out as it is (install-http.ts). */
export class RawJson {
  constructor(readonly text: string) {}
}
