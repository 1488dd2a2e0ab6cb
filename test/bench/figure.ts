/** Three significant digits, without an exponent. */
export function figure(value: number | null): string {
  if (value === null || Number.isNaN(value)) return '-';
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 3));
}
