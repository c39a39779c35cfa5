SELECT bytes FROM file WHERE digest = ?1
