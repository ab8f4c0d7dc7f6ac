/** The OpenAPI document as one page to read: HTML and CSS only, nothing loaded from anywhere. */
import type { OpenApiDocument } from './document.js';

interface Described {
  readonly summary: string;
  readonly description?: string;
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { name: string; in: string; required: boolean; description: string }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: { readonly $ref?: string } }>>;

const style = `
:root { color-scheme: light dark; --line: light-dark(#d8dde3, #39424c); --soft: light-dark(#f5f7f9, #1b2128); --accent: light-dark(#0b5f8a, #7cc4ec) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 4rem; background: light-dark(#fff, #12161b); color: light-dark(#1c2329, #e3e8ec) }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) } a { color: var(--accent) }
code, pre { font: 0.9em/1.45 ui-monospace, monospace } pre { background: var(--soft); padding: 0.75rem; overflow: auto; border-radius: 6px }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0 0.9rem } details > * { max-width: 100% }
summary { cursor: pointer; padding: 0.6rem 0 } .verb { display: inline-block; min-width: 4.8rem; font-weight: 700; color: var(--accent); text-transform: uppercase }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1rem } td, th { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem; border-top: 1px solid var(--line) }
nav a { margin-right: 1rem }`;

/** Text as it may stand in HTML; `code` in backquotes becomes an element. */
const text = (value: string): string => escape(value).replaceAll(/`([^`]+)`/g, '<code>$1</code>');

function escape(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export function renderPage(document: OpenApiDocument): string {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method,
      operation: operation as unknown as Described,
    })),
  );
  const sections = tags.map(({ name }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    return `<h2 id="${escape(name)}">${escape(name)}</h2>${own.map(renderOperation).join('')}`;
  });
  const shapes = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${escape(name)}"><summary><code>${escape(name)}</code></summary><pre>${escape(JSON.stringify(schema, null, 2))}</pre></details>`,
  );
  const links = [...tags.map(({ name }) => name), 'Schemas'].map(
    (name) => `<a href="#${escape(name)}">${escape(name)}</a>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info.title)} API</title><style>${style}</style></head><body>
<header><h1>${escape(info.title)} API</h1><p>Version ${escape(info.version)} · <a href="/openapi.json">openapi.json</a></p><p>${text(info.description)}</p><nav>${links.join('')}</nav></header>
<main>${sections.join('')}<h2 id="Schemas">Schemas</h2>${shapes.join('')}</main></body></html>\n`;
}

function renderOperation({ path, method, operation }: { path: string; method: string; operation: Described }): string {
  const parameters = (operation.parameters ?? []).map(
    (p) =>
      `<tr><td><code>${escape(p.name)}</code></td><td>${escape(p.in)}${p.required ? ', required' : ''}</td><td>${text(p.description)}</td></tr>`,
  );
  const answers = Object.entries(operation.responses).map(
    ([status, answer]) =>
      `<tr><td><code>${escape(status)}</code></td><td>${text(answer.description)}</td><td>${contentOf(answer.content)}</td></tr>`,
  );
  return `<details id="${escape(operation.operationId)}"><summary><span class="verb">${escape(method)}</span><code>${escape(path)}</code> ${text(operation.summary)}</summary>
${operation.description === undefined ? '' : `<p>${text(operation.description)}</p>`}
${parameters.length === 0 ? '' : `<table><tr><th>Parameter</th><th>In</th><th></th></tr>${parameters.join('')}</table>`}
${operation.requestBody === undefined ? '' : `<p>Body: ${contentOf(operation.requestBody.content)}</p>`}
<table><tr><th>Status</th><th></th><th>Body</th></tr>${answers.join('')}</table></details>`;
}

function contentOf(content: Content | undefined): string {
  return Object.entries(content ?? {})
    .map(([mediaType, { schema }]) => {
      const name = schema.$ref?.split('/').at(-1);
      return `<code>${escape(mediaType)}</code>${name === undefined ? '' : ` <a href="#schema-${escape(name)}">${escape(name)}</a>`}`;
    })
    .join(', ');
}
