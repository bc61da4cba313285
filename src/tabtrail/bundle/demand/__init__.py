"""Demand of many series: what a forecast reads of the past and of the plan, and predicting from it. numpy alone."""
