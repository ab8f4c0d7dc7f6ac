import { z } from 'zod';

/** `?limit=&cursor=` of a list. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(512).default(''),
});

/** The next cursor as JSON: null on the last page. */
export const cursorView = (cursor: string): string | null => (cursor === '' ? null : cursor);
