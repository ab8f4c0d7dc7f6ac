/** Complaints about a file, each with its place and the lines around it. */
import type { Issue } from '@cogmesh/sdk';
import { paint } from '../output/colours.js';
import type { LocatedFile, Place } from './located-file.js';

export interface Complaint {
  readonly severity: 'error' | 'warning' | 'notice';
  /** Path of the value in the file. */
  readonly path: string;
  /** What it is about, in a word: a code or the id of a policy. */
  readonly about: string;
  readonly message: string;
  /** What to do. */
  readonly advice?: string;
}

const LINES_BEFORE = 1;
const colours = { error: paint.red, warning: paint.yellow, notice: paint.cyan };

export function complaintOf({ path, code, message }: Issue): Complaint {
  return { severity: 'error', path, about: code, message };
}

/** `file:line:column`, as editors and terminals open it. */
export const placeText = ({ path }: LocatedFile, { line, column }: Place): string => `${path}:${line}:${column}`;

export function placeOf(file: LocatedFile, { path, message }: Pick<Complaint, 'path' | 'message'>): Place {
  const character = /at character (\d+)/.exec(message)?.[1];
  return character === undefined ? file.locate(path) : file.locateIn(path, Number(character));
}

export function drawComplaint(file: LocatedFile, complaint: Complaint): string {
  const { severity, path, about, message, advice } = complaint;
  const place = placeOf(file, complaint);
  const where = path === '' ? '' : `  ${paint.dim(path)}`;
  const head = `${paint.bold(placeText(file, place))}  ${colours[severity](severity)} ${about}${where}`;
  const lines = [head, `  ${message}`, ...excerpt(file, place, colours[severity])];
  return [...lines, ...(advice === undefined ? [] : [`  ${paint.green('→')} ${advice}`])].join('\n');
}

/** The line that is meant with a mark under the column, and what stands before it. */
function excerpt({ lines }: LocatedFile, { line, column }: Place, colour: (text: string) => string): string[] {
  const first = Math.max(1, line - LINES_BEFORE);
  const width = String(line).length;
  const shown = lines.slice(first - 1, line).map((text, i) => {
    const number = String(first + i).padStart(width);
    return `  ${paint.dim(`${number} │`)} ${text}`;
  });
  return [...shown, `  ${paint.dim(`${' '.repeat(width)} │`)} ${' '.repeat(column - 1)}${colour('^')}`];
}

export const countOf = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
