import { stripVTControlCharacters } from 'node:util';
import { paint } from './colours.js';

const GAP = '  ';

/** Columns of a terminal a text takes: East Asian wide characters take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(stripVTControlCharacters(text))) {
    width +=
      /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u.test(
        segment,
      )
        ? 2
        : 1;
  }
  return width;
}

export const padTo = (text: string, width: number) => text + ' '.repeat(Math.max(0, width - displayWidth(text)));

/** Text with aligned columns under a dim heading; cells that are numbers align right. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map(String));
  const widths = headings.map((heading, i) =>
    Math.max(displayWidth(heading), ...cells.map((row) => displayWidth(row[i] ?? ''))),
  );
  const right = headings.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return right[i] ? ' '.repeat(width - displayWidth(cell)) + cell : padTo(cell, width);
      })
      .join(GAP)
      .trimEnd();
  return [paint.dim(line(headings)), ...cells.map(line)].join('\n');
}
