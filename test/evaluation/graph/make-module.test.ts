import t from 'tap'
import { makeNode } from '../../../evaluation/graph/make-module.ts'

const PLACE = { pointer: '/flow/0', depth: 0, orphan: false, disabled: false }

t.test('tells literal, expression and template apart', async (t) => {
  const { facts } = makeNode({ id: 1, module: 'a:getB', mapper: { x: '{{2.a}}', y: 'n {{2.a}}', apiKey: 'k29Dm1xQz8Lw' } }, PLACE, '1')
  t.same(facts.map(({ field, kind }) => [field, kind]), [['x', 'expression'], ['y', 'template'], ['apiKey', 'literal']])
})
