/** What processes of the mesh said of themselves that nobody ever wants to read. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface LogLine {
  readonly level?: string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

export interface Confession {
  readonly process: string;
  readonly text: string;
}

/** The scheduler compares memory with the database and mends what is wrong; there must be nothing. */
const mended = /^the sweeper found/;
const STACK_LINES = 25;
/** A process that dies of itself while what it needs to start is away is started again, and that is all right. */
const awayCodes = new Set(['unavailable', 'timeout']);

export async function confessions(folder: string): Promise<readonly Confession[]> {
  const found: Confession[] = [];
  for (const name of await readdir(folder)) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
    for (const [at, text] of lines.entries()) {
      const process = name.replace('.log', '');
      // The last of what Node says when nobody caught an error.
      if (/^Node\.js v\d/.test(text))
        found.push({ process, text: lines.slice(Math.max(0, at - STACK_LINES), at).join('\n') });
      else if (isConfession(parse(text))) found.push({ process, text: text.slice(0, 2_000) });
    }
  }
  return found;
}

const isConfession = ({ level, msg = '', code }: LogLine = {}): boolean =>
  mended.test(msg) || (level === 'fatal' && !awayCodes.has(String(code)));

/** Undefined for half a line of a killed process, and for what is no line of a log. */
function parse(text: string): LogLine | undefined {
  try {
    return text.startsWith('{') ? (JSON.parse(text) as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
