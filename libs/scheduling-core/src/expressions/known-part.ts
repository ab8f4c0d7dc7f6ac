/** What can be said of a template's value before anything it refers to is there. */
import { isJsonObject, type Json } from '../json.js';
import { templateOf } from './evaluate-template.js';
import { hasExpression, soleExpression } from './template.js';

/** What stands for parts that are not known: any value, or some text. */
export interface Stand {
  readonly value: unknown;
  readonly text: unknown;
}

export interface KnownPart {
  /** The template's value, with `stand` in place of what expressions will give. */
  readonly value: unknown;
  readonly isWhole: boolean;
}

/** Of a template that was accepted at submit: its syntax is right. */
export function knownPart(template: Json, stand: Stand): KnownPart {
  let isWhole = true;
  const known = (part: Json): unknown => {
    if (Array.isArray(part)) return part.map(known);
    if (isJsonObject(part)) return Object.fromEntries(Object.entries(part).map(([key, each]) => [key, known(each)]));
    if (typeof part !== 'string' || !hasExpression(part)) return part;
    const parts = templateOf(part);
    const texts = parts.flatMap((each) => ('text' in each ? [each.text] : []));
    if (texts.length === parts.length) return texts.join('');
    isWhole = false;
    return soleExpression(parts) === undefined ? stand.text : stand.value;
  };
  return { value: known(template), isWhole };
}
