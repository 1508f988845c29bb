import t from 'tap'
import { deliveryLanes, type DeliveryLanes, type Lane } from '../../evaluation/delivery-lanes.ts'

const shown = (lanes: DeliveryLanes): Array<[string, object, number]> => [...lanes.open()].map(({ scope, among, limit }) => [scope, among, limit])

function laneOf (lanes: DeliveryLanes, at: number): Lane {
  const lane = [...lanes.open()][at]
  if (lane === undefined) throw new Error('no such lane')
  return lane
}

t.test('all places are open to receivers that were never slow, and half of them to probes', async (t) => {
  t.same(shown(deliveryLanes(8)), [['active', { except: [] }, 8], ['probes', { except: [] }, 4]])
})

t.test('receivers that took long share half of the places, and a quick answer brings them back', async (t) => {
  const lanes = deliveryLanes(8)
  lanes.note('sub_1', 10_000)
  lanes.note('sub_2', 1999)
  t.same(shown(lanes), [['active', { except: ['sub_1'] }, 8], ['active', { only: ['sub_1'] }, 4], ['probes', { except: [] }, 4]])
  const slow = laneOf(lanes, 1)
  const leave = Array.from({ length: 4 }, () => lanes.enter(slow))
  t.same(shown(lanes), [['active', { except: ['sub_1'] }, 4]], 'the slow lane is full, the other half is free')
  leave[0]?.()
  t.same(shown(lanes).slice(1), [['active', { only: ['sub_1'] }, 1], ['probes', { except: [] }, 1]])
  lanes.note('sub_1', 20)
  t.same(shown(lanes), [['active', { except: [] }, 5], ['probes', { except: [] }, 1]])
})

t.test('when every place is taken nothing is claimed', async (t) => {
  const lanes = deliveryLanes(1)
  const leave = lanes.enter(laneOf(lanes, 0))
  t.same(shown(lanes), [])
  leave()
  t.equal(shown(lanes).length, 2)
})

t.test('a number of places that is none is refused', async (t) => {
  for (const places of [0, -1, 1.5, Number.NaN]) t.throws(() => deliveryLanes(places), TypeError)
})
