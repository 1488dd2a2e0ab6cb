/** The part of the package `qrcode` that is used; it has no types of its own. */
declare module 'qrcode' {
  interface SvgOptions {
    readonly type: 'svg';
    /** L repairs 7 % of the code, M 15 %, Q 25 %, H 30 %. */
    readonly errorCorrectionLevel?: 'L' | 'M' | 'Q' | 'H';
    /** Quiet zone around the code, in its modules. */
    readonly margin?: number;
  }
  const qrcode: { toString(text: string, options: SvgOptions): Promise<string> };
  export default qrcode;
}
