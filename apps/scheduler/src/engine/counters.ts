/** What was refused or changed nothing, since the process started. Nothing is dropped silently: it is counted and logged. */
export class Counters {
  /** Reports from senders or with bodies that are not accepted. */
  refusedReports = 0;
  /** Late, duplicate and unknown reports. */
  ignoredReports = 0;
  /** Events that did not apply to the state they met. */
  ignoredEvents = 0;
}
