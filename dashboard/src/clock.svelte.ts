// The time of day, for words such as "3 s ago"; one timer for the whole page.

export const clock = $state({ now: Date.now() });

setInterval(() => (clock.now = Date.now()), 1_000);
