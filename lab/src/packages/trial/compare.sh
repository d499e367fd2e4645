# Nothing that was not there before, and all that was.
diff /var/cache/listing-before /var/cache/listing-after
