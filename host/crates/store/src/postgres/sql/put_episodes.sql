-- Records of which failing and stuck types a subscription was told. $1: the subscription. $2: JSON rows.
UPDATE hardstop.subscription SET episodes = $2 WHERE id = $1
