export { type Candidate, type OfferedCapability, type RoutableAgent } from './agent.js';
export { chooseAgent, freeCredits, type ChooseOptions, type InFlight } from './choose-agent.js';
export { matchCapability, newestOffers, offeredVersions, splitCapability, wantedBy } from './match-capability.js';
