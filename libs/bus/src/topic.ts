/**
 * AMQP topic matching: words between dots, `*` is exactly one word, `#` is any number of words, none included.
 * Only the memory adapter needs it; RabbitMQ does the same on its side.
 */
export function topicMatches(pattern: string, routingKey: string): boolean {
  return wordsMatch(pattern.split('.'), routingKey.split('.'));
}

function wordsMatch(pattern: readonly string[], words: readonly string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return words.length === 0;
  if (head === '#') return wordsMatch(rest, words) || (words.length > 0 && wordsMatch(pattern, words.slice(1)));
  const [word, ...others] = words;
  return word !== undefined && (head === '*' || head === word) && wordsMatch(rest, others);
}
