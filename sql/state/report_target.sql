-- What is to be reached. The target that began last counts.
CREATE TABLE loyalty.kpi_target (
	program_id int     NOT NULL,
	-- shares of 1: conversion, retention, repurchase_rate, active_share_30,
	-- member_share, basket_growth, basket_lift; money: net, basket; members, joined
	kpi        text    NOT NULL
	           CHECK (kpi IN ('conversion', 'retention', 'repurchase_rate', 'active_share_30', 'member_share',
	                  'basket_growth', 'basket_lift', 'net', 'basket', 'members', 'joined')),
	-- first local day
	starts_on  date    NOT NULL CHECK (isfinite(starts_on)),
	-- how many months it is measured over
	months     int     NOT NULL CHECK (months BETWEEN 1 AND 120),
	target     numeric NOT NULL CHECK (target > 0 AND target < 1000000000000),
	PRIMARY KEY (program_id, kpi, starts_on),
	-- 25 for 25 % would never be met
	CONSTRAINT kpi_target_share_check CHECK (target <= 1
		OR kpi NOT IN ('conversion', 'retention', 'repurchase_rate', 'active_share_30', 'member_share'))
);
