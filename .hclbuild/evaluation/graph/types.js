/**
 * The fact graph: what is known of a blueprint once its strings are gone. It is the only form in which a scenario is stored.
 * Every string of a configuration is reduced to a `Fact`: where it stood, what kind it was, and which pattern classes it
 * matched. Values never pass this boundary; labels are length-limited and stripped of control characters.
 */
/** Raised whenever extraction learns a new fact. Rules name the least version they need. */
export const FACTS_VERSION = 1;
//# sourceMappingURL=types.js.map