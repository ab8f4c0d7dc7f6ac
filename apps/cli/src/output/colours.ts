import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** `styleText` honours NO_COLOR, FORCE_COLOR and whether standard output is a terminal. */
const style = (format: Style) => (text: string) => styleText(format, text, { stream: process.stdout });

export const paint = {
  bold: style('bold'),
  dim: style('dim'),
  red: style('red'),
  green: style('green'),
  yellow: style('yellow'),
  cyan: style('cyan'),
};
