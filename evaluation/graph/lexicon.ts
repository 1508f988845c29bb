/**
 * Which kinds of data an expression reads, told from the names in its references: words with boundaries, a stop list for the names that
 * only look alike. The lexicons are data; raising LEXICON_VERSION says that graphs would be read differently.
 */
import type { FactClass } from './types.ts'

export const LEXICON_VERSION = '2026-12-2'

const NAMES_MAX = 2000
/** Names behind a dot or in brackets: `$json.firstName`, `{{1.customer.email}}`, `$json["birth date"]`. After a dot and a space comes prose. */
const NAME = /(?:\.([A-Za-z_]\w{0,60})|\[\s{0,4}["']([A-Za-z][^"'\]\n]{0,60})|`([A-Za-z][^`\n]{0,60}))/g

const PERSONAL = /\b(?:e ?mails?(?! (?:body|html|text|status|subject|template|content|type|count|thread|id)\b)|email address|(?<!country )phones?|phone number|mobile|cell ?phone|first ?name|last ?name|sur ?name|full ?name|given name|family name|birth ?(?:date|day)|date of birth|dob|home address|street|postal ?code|post ?code|zip ?code|national id|ssn|social security|passport|tax id|salary(?! ranges?\b)|gender|nationality)\b/
const ADDRESS = /(?<!\b(?:ip|mac|web|url|wallet|contract|email|e mail|site|server) )\baddress(?: line)?\b/
const SENSITIVE = /\b(?:(?<!\b(?:overall|system|service|server|site|brand|account|database|api) )health(?! (?:checks?|scores?|index|url|endpoint)\b)|diagnos(?:is|es)|patients?|medical|medications?|allerg(?:y|ies)|insurance|iban|bank account|account number|routing number|sort code|ssn|social security|passport|biometrics?|religion|ethnicity|sexual orientation|disabilit(?:y|ies)|national id|tax id)\b/
const CARD = /\b(?:card ?numbers?|credit ?card|cardholder number|cvv2?|cvc2?|card ?(?:cvc|cvv|expiry)|security code|track ?[12] ?data|magnetic stripe)\b/
const CARD_STOP = /\b(?:business|score|report|gift|post|sim|library|trello|id) cards?\b/
/** Beside these an `address` is one of a ledger, and public. */
const LEDGER = /\b(?:wallets?|balances?|blockchain|chain|tx_?hash|eth|btc|bnb|usdc|lamports|wei|gwei)\b|\b(?:eth|sol|btc|wallet|chain)_|_(?:eth|sol|btc|usd|wallet|chain)\b/i
const LEDGER_REACH = 20_000
const KEY_MATERIAL = /^(?:(?:\w+ )?private key|mnemonic(?: phrase)?|seed ?phrase|recovery ?phrase|secret recovery phrase)$/

/** Classes of what the references in an expression or in code read. */
export function referenceClasses (text: string): FactClass[] {
  const found = new Set<FactClass>()
  const isLedger = LEDGER.test(text.slice(0, LEDGER_REACH))
  let names = 0
  for (const match of text.matchAll(NAME)) {
    if (++names > NAMES_MAX || found.size === 3) break
    const name = match[1] ?? match[2] ?? match[3] ?? ''
    if (isLedger && /^address$/i.test(name)) continue
    for (const one of nameClasses(name)) found.add(one)
  }
  return [...found]
}

/** Classes of one name, whatever its spelling: `cardNumber`, `card_number`, `Card Number`. */
export function nameClasses (name: string): FactClass[] {
  const plain = wordsOf(name)
  const classes: FactClass[] = []
  if (PERSONAL.test(plain) || ADDRESS.test(plain)) classes.push('personal-data')
  if (SENSITIVE.test(plain)) classes.push('sensitive-data')
  if (CARD.test(plain) && !CARD_STOP.test(plain)) classes.push('card-data')
  return classes
}

/** Whether a field of this name holds a private key or a recovery phrase. */
export function isKeyMaterial (field: string): boolean {
  return KEY_MATERIAL.test(wordsOf(field))
}

function wordsOf (name: string): string {
  return name.slice(0, 80).replace(/([a-z\d])([A-Z])/g, '$1 $2').replace(/[^A-Za-z\d]+/g, ' ').toLowerCase().trim()
}
