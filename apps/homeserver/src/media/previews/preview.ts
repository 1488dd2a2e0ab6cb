/** OpenGraph properties, with an image of this server (client-server API, `GET /media/preview_url`). */
export type Preview = Readonly<Record<string, string | number>>;
