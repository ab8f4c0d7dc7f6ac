import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromOtlp, type SpanRecord, toOtlp } from './index.js';

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
const microseconds = fc.integer({ min: 1_700_000_000_000_000, max: 1_900_000_000_000_000 });
const attribute = fc.oneof(fc.string(), fc.boolean(), fc.integer(), fc.array(fc.string(), { maxLength: 3 }));

const span: fc.Arbitrary<SpanRecord> = fc.record({
  traceId: hex(32),
  spanId: hex(16),
  parentSpanId: fc.oneof(fc.constant(''), hex(16)),
  service: fc.constantFrom('gateway', 'worker'),
  name: fc.string(),
  kind: fc.integer({ min: 0, max: 4 }),
  startUs: microseconds,
  endUs: microseconds,
  error: fc.constant(true),
  statusMessage: fc.string(),
  attributes: fc.dictionary(fc.stringMatching(/^[a-z.]{1,8}$/), attribute, { maxKeys: 4 }),
  links: fc.array(fc.record({ traceId: hex(32), spanId: hex(16) }), { maxLength: 2 }),
});

const byId = (a: SpanRecord, b: SpanRecord) => a.spanId.localeCompare(b.spanId) || a.traceId.localeCompare(b.traceId);

it('gives back the spans it was given, whatever their services', () => {
  fc.assert(
    fc.property(fc.uniqueArray(span, { selector: ({ spanId }) => spanId }), (spans) => {
      const back = fromOtlp(JSON.parse(JSON.stringify(toOtlp(spans))) as ReturnType<typeof toOtlp>);
      expect([...back].sort(byId)).toEqual(JSON.parse(JSON.stringify([...spans].sort(byId))));
    }),
  );
});
