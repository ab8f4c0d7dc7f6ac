/**
 * JSON as a signature check needs it: two parsers must read the same thing, so an object that names a key twice is refused
 * (RFC 8259 leaves the choice to the parser; RFC 7519 section 4 allows refusing).
 */

/** Parses, and throws a SyntaxError for malformed text or a repeated key. Keys are compared after unescaping. */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseRepeatedKeys(text);
  return value;
}

/** Walks text that JSON.parse accepted, so only strings and brackets need attention. */
function refuseRepeatedKeys(text: string): void {
  const stack: (Set<string> | undefined)[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '{') stack.push(new Set());
    else if (character === '[') stack.push(undefined);
    else if (character === '}' || character === ']') stack.pop();
    else if (character === '"') {
      const end = endOfString(text, at);
      noteKey(stack.at(-1), text, { start: at, end });
      at = end - 1;
    }
    at += 1;
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function noteKey(keys: Set<string> | undefined, text: string, span: { start: number; end: number }): void {
  if (keys === undefined || !isFollowedByColon(text, span.end)) return;
  const key = JSON.parse(text.slice(span.start, span.end)) as string;
  if (keys.has(key)) throw new SyntaxError(`the key ${JSON.stringify(key)} appears twice`);
  keys.add(key);
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') at += 1;
  return text[at] === ':';
}
