/** The part of a pino logger that the bus uses. */
export interface BusLogger {
  info(evidence: object, message: string): void;
  warn(evidence: object, message: string): void;
}
