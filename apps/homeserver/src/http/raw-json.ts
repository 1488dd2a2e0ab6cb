/** An answer that is JSON text already: returned from a controller, it goes out as it is (install-http.ts sets the serializer). */
export class RawJson {
  constructor(readonly text: string) {}
}
