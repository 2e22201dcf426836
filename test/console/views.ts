// Sessions as the portal shows them, with what a test cares for.
import type { SessionView } from '../../appliance/protocol/console-api.ts';

export function viewOf(id: string, change: Partial<SessionView> = {}): SessionView {
  return {
    id,
    state: 'waiting',
    queue: 'incoming',
    owner: { id: 'member-1', name: 'Tess Technician' },
    offeredTo: null,
    channel: null,
    customerName: 'Ada',
    question: null,
    language: null,
    platform: 'linux-x64',
    isPresent: true,
    isClaimedTwice: false,
    areCodesCompared: false,
    createdAt: 0,
    stateAt: 0,
    pickedUpAt: null,
    endedAt: null,
    endReason: null,
    deadline: null,
    ...change,
  };
}
