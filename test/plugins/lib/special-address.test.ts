import t from 'tap'
import { isSpecialAddress } from '../../../plugins/lib/special-address.ts'
import { PUBLIC_ADDRESSES, SPECIAL_ADDRESSES } from '../../helper/addresses.ts'

t.test('every special-purpose address is special, whatever it embeds', async (t) => {
  t.ok(SPECIAL_ADDRESSES.length >= 80, `${SPECIAL_ADDRESSES.length} addresses`)
  t.same(SPECIAL_ADDRESSES.filter((address) => !isSpecialAddress(address)), [])
})

t.test('the neighbours of special ranges are public', async (t) => {
  t.same(PUBLIC_ADDRESSES.filter((address) => isSpecialAddress(address)), [])
})

t.test('what is no address, or has a zone, is special', async (t) => {
  for (const text of ['', 'example.com', '1.2.3', '1.2.3.4/8', '256.0.0.1', '0x7f.1', '2600::1%eth0', 'fe80::1%1']) t.ok(isSpecialAddress(text), text)
})
