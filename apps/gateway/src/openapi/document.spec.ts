import { readFile } from 'node:fs/promises';
import { version } from '@cogmesh/service';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from './document.js';
import { renderPage } from './page.js';

const document = openApiDocument('1.2.3');

/** Every `$ref` anywhere in the value. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => (key === '$ref' ? [child as string] : references(child)));
}

describe('the OpenAPI document', () => {
  it('refers only to schemas it holds, and holds none that nothing refers to', () => {
    const named = new Set(references(document).map((ref) => ref.replace('#/components/schemas/', '')));
    const held = new Set(Object.keys(document.components.schemas));
    expect([...named].filter((name) => !held.has(name))).toEqual([]);
    expect([...held].filter((name) => !named.has(name))).toEqual([]);
  });

  it('gives every operation an id of its own', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('describes every path parameter', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const operation of Object.values(methods)) {
        const parameters = (operation['parameters'] ?? []) as { name: string; in: string }[];
        expect(
          parameters.filter((p) => p.in === 'path').map((p) => p.name),
          path,
        ).toEqual(wanted);
      }
    }
  });

  it('is what docs/openapi.json holds', async () => {
    const kept = JSON.parse(
      await readFile(new URL('../../../../docs/openapi.json', import.meta.url), 'utf8'),
    ) as unknown;
    expect(kept).toEqual(JSON.parse(JSON.stringify(openApiDocument(version))));
  });
});

describe('the page', () => {
  it('names every operation and schema, and escapes what it is given', () => {
    const page = renderPage({ ...document, info: { ...document.info, title: '<script>alert(1)</script>' } });
    for (const path of Object.keys(document.paths)) expect(page).toContain(`<code>${path}</code>`);
    for (const name of Object.keys(document.components.schemas)) expect(page).toContain(`id="schema-${name}"`);
    expect(page).not.toContain('<script>');
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });
});
