/**
 * Workflows with the shapes of well-known scientific applications, as WfCommons describes them, generated from a seed in
 * WfFormat 1.5. They have no content; what they have is fan-out, fan-in, long chains and cross edges in known proportions.
 */

/** mulberry32: small, and the same everywhere. */
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Workflow {
  tasks = [];

  add(name, parents = []) {
    const id = `${name}_${this.tasks.length}`;
    this.tasks.push({ name, id, parents, children: [] });
    for (const parent of parents) this.tasks.find((task) => task.id === parent).children.push(id);
    return id;
  }

  layer(name, count, parentsOf) {
    return Array.from({ length: count }, (_, i) => this.add(name, parentsOf(i)));
  }
}

const shapes = {
  /** One splits, many search, two join. */
  blast(workflow, n) {
    const split = workflow.add('split_fasta');
    const searches = workflow.layer('blastall', n, () => [split]);
    const cat = workflow.add('cat_blast', searches);
    workflow.add('cat', [cat, ...searches.slice(0, 3)]);
  },
  /** Many independent measurements, one evaluation. */
  seismology(workflow, n) {
    workflow.add(
      'wrapper_siftSTFByMisfit',
      workflow.layer('sG1IterDecon', n, () => []),
    );
  },
  /** Lanes of five steps, merged. */
  epigenomics(workflow, n) {
    const split = workflow.add('fastqSplit');
    const lanes = Array.from({ length: Math.ceil(n / 5) }, () =>
      ['filterContams', 'sol2sanger', 'fastq2bfq', 'map'].reduce((parent, step) => workflow.add(step, [parent]), split),
    );
    workflow.add('pileup', [workflow.add('maqIndex', [workflow.add('mapMerge', lanes)])]);
  },
  /** Projections, differences of neighbours, a fit over all, a correction of each, a mosaic. */
  montage(workflow, n, random) {
    const width = Math.max(2, Math.floor(n / 4));
    const projections = workflow.layer('mProject', width, () => []);
    const differences = workflow.layer('mDiffFit', width * 2, (i) =>
      [projections[i % width], projections[(i + 1 + Math.floor(random() * (width - 1))) % width]].filter(
        (parent, at, all) => all.indexOf(parent) === at,
      ),
    );
    const model = workflow.add('mBgModel', [workflow.add('mConcatFit', differences)]);
    const corrected = workflow.layer('mBackground', width, (i) => [model, projections[i]]);
    workflow.add('mViewer', [workflow.add('mAdd', [workflow.add('mImgtbl', corrected)])]);
  },
  /** Layers of random width, each task with a few parents from the layers before. */
  layered(workflow, n, random) {
    let before = [];
    while (workflow.tasks.length < n) {
      const width = 1 + Math.floor(random() * Math.max(2, n / 8));
      const known = before;
      const layer = workflow.layer('step', Math.min(width, n - workflow.tasks.length), () => {
        const wanted = known.length === 0 ? 0 : 1 + Math.floor(random() * Math.min(4, known.length));
        return [...new Set(Array.from({ length: wanted }, () => known[Math.floor(random() * known.length)]))];
      });
      before = layer.concat(before.slice(0, 50));
    }
  },
};

/** `count` instances of all shapes and growing sizes; every shape also once with a fan of more than 1,000. */
export function generateInstances({ count, seed, largest }) {
  const random = randomOf(seed);
  const names = Object.keys(shapes);
  return Array.from({ length: count }, (_, i) => {
    const shape = names[i % names.length];
    const isLargest = i < names.length;
    const size = isLargest ? largest : 10 + Math.floor(random() * 120);
    const workflow = new Workflow();
    shapes[shape](workflow, size, random);
    const name = `${shape}-${size}-${i}`;
    return [name, { name, schemaVersion: '1.5', workflow: { specification: { tasks: workflow.tasks } } }];
  });
}
