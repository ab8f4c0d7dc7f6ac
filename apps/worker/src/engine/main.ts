/**
 * The engine process: everything that computes for long happens here and never in the worker. It takes requests from the
 * channel it was forked with, one after the other, and leaves when the channel closes. ONNX Runtime and QuickJS are loaded
 * when first needed, so that an engine for scripts carries no inference runtime. It reads no environment and opens no port.
 */
import { CogmeshError } from '@cogmesh/errors';
import { failureOf } from './failure.js';
import { collectNow, collectTensors } from './garbage.js';
import type { ModelShelf } from './model-shelf.js';
import type { EngineReply, EngineRequest } from './protocol.js';
import { Shelf } from './shelf.js';

const shelf = new Shelf();
let models: Promise<ModelShelf> | undefined;
let queue = Promise.resolve();

function modelShelf(): Promise<ModelShelf> {
  models ??= import('./model-shelf.js').then(({ ModelShelf }) => new ModelShelf(shelf));
  return models;
}

function reply(message: EngineReply): void {
  process.send?.(message);
}

async function answer(request: Exclude<EngineRequest, { kind: 'shelve' | 'clear' }>): Promise<unknown> {
  switch (request.kind) {
    case 'load':
      return (await modelShelf()).load(request.model);
    case 'warm':
      return (await modelShelf()).warm(request.model);
    case 'unload':
      return (await modelShelf()).unload(request.model);
    case 'run':
      return (await modelShelf()).run(request.model, request.items);
    case 'script': {
      const { runScript } = await import('./script/run-script.js');
      return { outputJson: await runScript(request.script) };
    }
  }
}

async function handle(request: EngineRequest): Promise<void> {
  if (request.kind === 'shelve') return shelf.put(request.key, request.bytes);
  if (request.kind === 'clear') return shelf.clear(request.key);
  try {
    reply({ kind: 'answer', id: request.id, value: await answer(request) });
  } catch (thrown) {
    reply({ kind: 'failure', id: request.id, error: failureOf(thrown) });
    if (request.kind === 'script') collectNow();
  }
  collectTensors();
}

if (!process.send) throw new CogmeshError('failed_precondition', 'an engine is started by a worker, not by hand');
process.on('message', (request: EngineRequest) => {
  queue = queue.then(() => handle(request));
});
process.on('disconnect', () => process.exit(0));
// The worker decides when an engine stops; a terminal's Ctrl-C reaches the whole group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
reply({ kind: 'ready' });
