/** The PDU's member with attestations of the bearer's name, which travel and stay with the event (`Admitted`). */
export const ADMITTED = 'io.partyline.admitted';
