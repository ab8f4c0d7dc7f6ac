import { attributeNames, recordSpan, spanNames } from '@cogmesh/telemetry';
import type { RanBatch } from './model-book.js';

/**
 * The span of one model run. A batch serves many runs, so its span stands by itself and is linked to each; a batch of one
 * request serves one, and is its child.
 */
export function recordModelRun({ model, engine, requests, startMs, endMs, error }: RanBatch): void {
  const { name, version, variants } = model.manifest;
  const callers = requests.map((request) => request.traceparent);
  const [only] = callers;
  const place = callers.length === 1 && only !== undefined ? { parent: only } : { parent: 'root', links: callers };
  recordSpan({
    name: spanNames.modelRun,
    ...place,
    startMs,
    endMs,
    ...(error === undefined ? {} : { error }),
    attributes: {
      [attributeNames.modelName]: name,
      [attributeNames.modelVersion]: version,
      [attributeNames.modelVariant]: variants[0]?.name ?? '',
      [attributeNames.engine]: engine,
      [attributeNames.batchSize]: requests.length,
    },
  });
}
