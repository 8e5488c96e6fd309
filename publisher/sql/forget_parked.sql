-- What a publisher has set aside, once its position is removed: nobody would bring it back.
DELETE FROM outbox_parked WHERE publisher = %(name)s
