/** Run documents of the benchmarks: plain data, no timing. */
const task = (id, depends = [], tool = 'noop', rest = {}) => ({
  id,
  uses: `tool:acme/${tool}`,
  depends,
  input: null,
  ...rest,
});
const many = (count, make) => Array.from({ length: count }, (_, index) => make(index));

/** Each task waits for the one before. */
export const chain = (length) => ({
  name: 'chain',
  tasks: many(length, (i) => task(`t${i}`, i === 0 ? [] : [`t${i - 1}`])),
});

/** One task, then `width` side by side, then one. */
export const fan = (width) => ({
  name: 'fan',
  tasks: [
    task('first'),
    ...many(width, (i) => task(`t${i}`, ['first'])),
    task(
      'last',
      many(width, (i) => `t${i}`),
    ),
  ],
});

/** Tasks that wait for nothing. */
export const flat = (count, { tool = 'noop', priority = 5, sizes = [] } = {}) => ({
  name: 'flat',
  priority,
  tasks: many(count, (i) => task(`t${i}`, [], tool, { input: { size: sizes[i % sizes.length] ?? 1 } })),
});

/** Layers of `width`; each task waits for two of the layer before. */
export const layers = (count, width = 100) => ({
  name: 'layers',
  tasks: many(count, (i) => {
    const [layer, column] = [Math.floor(i / width), i % width];
    const above = (shift) => `t${(layer - 1) * width + ((column + shift) % width)}`;
    return task(`t${i}`, layer === 0 ? [] : [above(0), above(1)]);
  }),
});
