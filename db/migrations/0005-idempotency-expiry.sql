-- An idempotency key lapses after a day: whoever uses the text again takes it from the old evaluation.
grant update (idempotency_key) on evaluations to flowbeacon_app;
