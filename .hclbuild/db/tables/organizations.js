/** An organization. Made by an operator, never deleted: keys and audit rows point to it. */
import { pgTable, text, timestamp } from 'drizzle-orm/pg-core';
export const organizations = pgTable('organizations', {
    id: text().primaryKey(),
    name: text().notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow()
});
//# sourceMappingURL=organizations.js.map