import t from 'tap'
import { appRow, hostEffect, n8nDefaultOperation, TABLES_VERSION, verbOf } from '../../../evaluation/graph/tables.ts'

t.test('carries a version', async (t) => {
  t.match(TABLES_VERSION, /^\d{4}-\d{2}-\d+$/)
})

t.test('reads the verb of an operation', async (t) => {
  const verbs: [string, string | undefined][] = [['ActionCreateRecord', 'write'], ['getAll', 'read'], ['objectsDelete', 'delete'], ['TriggerNewEmail', 'trigger'],
    ['watchEvents', 'trigger'], ['onMessage', 'trigger'], ['makeAnApiCall', 'write'], ['filterRows', 'read'], ['settle', undefined], ['', undefined]]
  for (const [operation, verb] of verbs) t.equal(verbOf(operation)?.verb, verb, operation)
})

t.test('looks names up without meeting the prototype', async (t) => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.equal(appRow(name), undefined)
    t.equal(n8nDefaultOperation(name), undefined)
  }
  t.equal(hostEffect('api.stripe.com'), 'MONEY')
  t.equal(hostEffect('evilapi.stripe.com.example'), undefined)
})
