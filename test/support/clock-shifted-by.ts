/** Options of Node.js for a process whose clock is wrong; its timers are not affected. */
export function clockShiftedBy(seconds: number): string {
  const script = `
    const RealDate = Date;
    const shifted = () => RealDate.now() + ${seconds * 1000};
    globalThis.Date = class extends RealDate {
      constructor(...parts) { parts.length === 0 ? super(shifted()) : super(...parts); }
      static now() { return shifted(); }
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(script)}`;
}
