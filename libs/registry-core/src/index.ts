export type { AgentKind, AgentRecord, AgentState, Capability, Clock, Portrait } from './agent.js';
export {
  AgentRoster,
  type AgentChange,
  type Introduction,
  type RosterOptions,
  type SignOfLife,
} from './agent-roster.js';
export type { AgentStore } from './agent-store.js';
export { announcementLimits, checkAnnouncement, toolOf, type Announcement } from './announcement.js';
export { CreditLedger } from './credit-ledger.js';
export { LeaseRenewals, type HeldAttempts, type LeaseRenewalsOptions } from './lease-renewals.js';
export { isPresent, nextState, type LifeEvent } from './life-cycle.js';
export { PendingInstructions, type Acknowledgement } from './pending-instructions.js';
export { PortraitHistory } from './portrait-history.js';
