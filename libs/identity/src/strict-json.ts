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
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === quote) {
      const end = endOfString(text, at);
      noteKey(stack.at(-1), text, { start: at, end });
      at = end - 1;
    } else if (character === openBrace) stack.push(new Set());
    else if (character === openBracket) stack.push(undefined);
    else if (character === closeBrace || character === closeBracket) stack.pop();
  }
}

const [quote, backslash] = [0x22, 0x5c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Behind the quote that ends the string: the first one behind an even number of backslashes. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (backslashesBefore(text, end) % 2 === 1) end = text.indexOf('"', end + 1);
  return end + 1;
}

function backslashesBefore(text: string, end: number): number {
  let at = end;
  while (text.charCodeAt(at - 1) === backslash) at -= 1;
  return end - at;
}

function noteKey(keys: Set<string> | undefined, text: string, span: { start: number; end: number }): void {
  if (keys === undefined || !isFollowedByColon(text, span.end)) return;
  const written = text.slice(span.start + 1, span.end - 1);
  const key = written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written;
  if (keys.has(key)) throw new SyntaxError(`the key ${JSON.stringify(key)} appears twice`);
  keys.add(key);
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') at += 1;
  return text[at] === ':';
}
