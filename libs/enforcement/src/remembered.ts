/** Longest text that is kept, characters. */
const maxTextChars = 256;

/**
 * Answers of a pure function by its text, so that what the same few callers say with every call is worked out once. Bounded: when full it
 * starts anew, and long texts are not kept, so that strangers who never repeat themselves cost the work and no memory.
 */
export function remembered<T>(answer: (text: string) => T, maxEntries = 1_000): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const made = answer(text);
    if (text.length > maxTextChars) return made;
    if (known.size >= maxEntries) known.clear();
    known.set(text, made);
    return made;
  };
}
