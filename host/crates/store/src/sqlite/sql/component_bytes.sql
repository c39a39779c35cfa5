SELECT bytes FROM component WHERE digest = ?1
