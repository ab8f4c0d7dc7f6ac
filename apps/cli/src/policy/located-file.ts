/**
 * A YAML or JSON file that knows where each of its values stands, so that a complaint about `policies[3].policy` can point
 * at line and column. JSON is read as the YAML that it is; a repeated key is an error in both.
 */
import { readFile } from 'node:fs/promises';
import { CogmeshError } from '@cogmesh/sdk';
import { isCollection, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node, type Pair } from 'yaml';

/** From 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface LocatedFile {
  readonly path: string;
  readonly lines: readonly string[];
  readonly value: unknown;
  /** Where the value of a path such as `policies[3].resources[0]` stands; where it is missing, what it is missing in. */
  locate(path: string): Place;
  /** As `locate`, of a character inside a text on one line. */
  locateIn(path: string, character: number): Place;
}

/** `not_found` when it cannot be read, `invalid_argument` with every place where it is not YAML. */
export async function readLocatedFile(path: string): Promise<LocatedFile> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CogmeshError('not_found', `cannot read ${path}`, { file: path }, { cause });
  });
  return locatedText(path, text);
}

export function locatedText(path: string, text: string): LocatedFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const placeOf = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  if (document.errors.length > 0) {
    const issues = document.errors.map(({ pos, message, code }) => {
      const { line, column } = placeOf(pos[0]);
      return { path: `${path}:${line}:${column}`, code: code.toLowerCase(), message };
    });
    throw new CogmeshError('invalid_argument', `${path} is neither YAML nor JSON`, { issues });
  }
  const find = (wanted: string) => nodeAt(document.contents, wanted);
  return {
    path,
    lines: text.split('\n'),
    value: document.toJS() as unknown,
    locate: (wanted) => placeOf(find(wanted).offset),
    locateIn: (wanted, character) => {
      const { node, offset } = find(wanted);
      return placeOf(offset + (isScalar(node) ? characterOffset(node, { text, offset, character }) : 0));
    },
  };
}

interface Found {
  readonly node: Node | null;
  readonly offset: number;
}

const startOf = (node: unknown): number | undefined =>
  (node as { range?: readonly [number, number, number] | null } | null)?.range?.[0];

/** Names may hold dots, so the longest key that fits is taken. */
function nodeAt(root: Node | null, path: string): Found {
  let found: Found = { node: root, offset: startOf(root) ?? 0 };
  let rest = path;
  while (rest !== '') {
    const next = step(found.node, rest);
    if (next === undefined) return found;
    ({ rest } = next);
    found = next.found;
  }
  return found;
}

function step(node: Node | null, path: string): { readonly found: Found; readonly rest: string } | undefined {
  const index = /^\[(\d+)\]/.exec(path);
  if (index !== null) {
    const item = isSeq(node) ? (node.items[Number(index[1])] as Node | undefined) : undefined;
    if (item === undefined) return undefined;
    return { found: { node: item, offset: startOf(item) ?? 0 }, rest: path.slice(index[0].length) };
  }
  if (!isMap(node)) return undefined;
  const name = path.replace(/^\./, '');
  const keyOf = ({ key }: Pair) => (isScalar(key) ? String(key.value) : '');
  const [pair] = node.items
    .filter((one) => name === keyOf(one) || name.startsWith(`${keyOf(one)}.`) || name.startsWith(`${keyOf(one)}[`))
    .sort((a, b) => keyOf(b).length - keyOf(a).length);
  if (pair === undefined) return undefined;
  const value = pair.value as Node | null;
  // Of a block the key is what a person looks for.
  const place = isCollection(value) || value === null ? pair.key : value;
  const rest = name.slice(keyOf(pair).length);
  return { found: { node: value, offset: startOf(place) ?? 0 }, rest };
}

/** Only where the source shows the text as it is: no escapes, no folding. */
function characterOffset(
  node: { value: unknown },
  { text, offset, character }: { readonly text: string; readonly offset: number; readonly character: number },
): number {
  const value = String(node.value);
  const quote = text[offset] === '"' || text[offset] === "'" ? 1 : 0;
  return text.startsWith(value, offset + quote) ? quote + Math.min(character, value.length) : 0;
}
