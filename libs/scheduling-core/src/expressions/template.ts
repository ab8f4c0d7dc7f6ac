/**
 * Splits a string into text and `${{ … }}` parts. Quotes and braces inside an expression are respected, so a map literal
 * may end in `}}`. `$${{` is a literal `${{`. Knows nothing of CEL.
 */
export type TemplatePart =
  | { readonly text: string }
  /** `offset`: where the expression starts inside the whole string. */
  | { readonly expression: string; readonly offset: number };

export type Template = readonly TemplatePart[];

const opening = '${{';

export class TemplateSyntaxError extends Error {
  override readonly name = 'TemplateSyntaxError';
}

export function hasExpression(text: string): boolean {
  return text.includes(opening);
}

/** Throws TemplateSyntaxError when an expression is not closed or empty. */
export function parseTemplate(source: string): Template {
  const parts: TemplatePart[] = [];
  let text = '';
  let at = 0;
  while (at < source.length) {
    const start = source.indexOf(opening, at);
    if (start === -1) break;
    if (source[start - 1] === '$' && start - 1 >= at) {
      text += source.slice(at, start - 1) + opening;
      at = start + opening.length;
      continue;
    }
    text += source.slice(at, start);
    const from = start + opening.length;
    const end = endOfExpression(source, from);
    if (text !== '') parts.push({ text });
    text = '';
    parts.push(expressionPart(source, from, end));
    at = end + 2;
  }
  text += source.slice(at);
  if (text !== '') parts.push({ text });
  return parts;
}

function expressionPart(source: string, from: number, end: number): TemplatePart {
  const raw = source.slice(from, end);
  const expression = raw.trim();
  if (expression === '') throw new TemplateSyntaxError(`empty expression at character ${from + 1}`);
  return { expression, offset: from + raw.indexOf(expression) };
}

/** Index of the closing `}}` of the expression that starts at `from`. */
function endOfExpression(source: string, from: number): number {
  let depth = 0;
  for (let at = from; at < source.length; at += 1) {
    const character = source[at];
    if (character === '"' || character === "'") at = endOfQuote(source, at);
    else if (character === '{') depth += 1;
    else if (character === '}') {
      if (depth === 0 && source[at + 1] === '}') return at;
      depth -= 1;
    }
  }
  throw new TemplateSyntaxError(`"\${{" at character ${from - 2} is not closed by "}}"`);
}

function endOfQuote(source: string, start: number): number {
  const quote = source[start];
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === quote) return at;
  }
  throw new TemplateSyntaxError(`quote at character ${start + 1} is not closed`);
}

/** The expression of a string that is exactly one, so that its value keeps its type. */
export function soleExpression(template: Template): string | undefined {
  const [first] = template;
  return template.length === 1 && first !== undefined && 'expression' in first ? first.expression : undefined;
}
