/** Limits of one inference request's tensors; the wire contract states the same numbers. */
export const tensorLimits = {
  /** Tensors in one request or answer. */
  maxTensors: 64,
  /** Dimensions of one tensor. */
  maxRank: 16,
  /** Bytes of one tensor's elements, and of all tensors of a request together. */
  maxBytes: 16 * 1024 * 1024,
  /** Elements of one tensor. */
  maxElements: 16 * 1024 * 1024,
  /** Characters of a tensor's name. */
  maxNameLength: 256,
} as const;
