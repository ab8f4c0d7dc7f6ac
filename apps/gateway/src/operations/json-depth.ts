/** Deepest nesting of a JSON body; whatever walks the value afterwards may recurse. */
export const maxJsonDepth = 200;

const quote = 0x22;
const backslash = 0x5c;

/** Whether the text nests deeper than the limit. Reads characters only, so that it can be asked before anything is built. */
export function nestsTooDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === backslash) at += 1;
      else if (code === quote) quoted = false;
    } else if (code === quote) quoted = true;
    else depth += stepOf(code);
    if (depth > maxJsonDepth) return true;
  }
  return false;
}

/** +1 for `[` and `{`, -1 for `]` and `}`. */
function stepOf(code: number): number {
  if (code === 0x5b || code === 0x7b) return 1;
  return code === 0x5d || code === 0x7d ? -1 : 0;
}
