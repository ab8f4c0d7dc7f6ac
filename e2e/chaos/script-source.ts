/** The work of `work-process.ts` as a script that a worker runs. It takes less time and is not told its attempt. */
export const scriptSource = `
const weigh = (value) => {
  if (value === null) return 0;
  if (typeof value === 'number') return value;
  if (Array.isArray(value)) return value.reduce((sum, each) => sum + weigh(each), 0);
  return value.out === undefined ? value.v : weigh(value.out);
};
const { n, from, does, workMs, bulky } = input;
const end = Date.now() + Math.min(workMs, 30);
while (Date.now() < end);
if (does === 'broken' || (does === 'picky' && n % 4 === 3)) throw new Error('as planned');
const v = (7 * n + 3 * weigh(from) + 1) % 9973;
const list = Array.from({ length: v % 6 }, (_, index) => (v + index) % 50);
return bulky ? { v, list, pad: 'x'.repeat(70000) } : { v, list };
`;
